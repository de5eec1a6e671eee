"""Small models from scratch: their tokenizers, shapes and pre-training."""
