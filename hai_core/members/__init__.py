"""Members: one feature recipe trained on one fold of one manifest."""
