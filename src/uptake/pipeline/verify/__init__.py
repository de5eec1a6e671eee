"""`uptake verify`: randomised arms, trained and measured."""
