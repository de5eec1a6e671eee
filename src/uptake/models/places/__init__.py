"""Where models lie: found, checked, fetched, and their weights and adapters loaded."""
