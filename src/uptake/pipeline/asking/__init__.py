"""What models are asked about examples, and what they say."""
