"""What the pages share: session state, cached loaders, the gallery component, job panels."""
