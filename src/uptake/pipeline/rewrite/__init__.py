"""`uptake rewrite`: the responses of the data in the words of the base."""
