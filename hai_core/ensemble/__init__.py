"""Members + weights + temperature -> probabilities; chosen on out-of-fold data only."""
