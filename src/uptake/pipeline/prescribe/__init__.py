"""`uptake prescribe`: a diagnosis to a plan."""
