"""HAI Workbench core: images -> catalog -> findings -> decisions -> manifest -> members -> ensemble -> confusions."""

__version__ = "0.1.0"
