"""Models and data made to try uptake on."""
