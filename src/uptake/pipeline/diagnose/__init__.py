"""`uptake diagnose`: data, models, answers, rule, verdicts, causes, tables."""
