"""Why examples were not learned: what is known of each, gathered into its case."""
