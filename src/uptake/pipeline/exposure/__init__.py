"""Which facts of a fine-tuning set a pre-training corpus states, lacks or contradicts: shards in, a table out."""
