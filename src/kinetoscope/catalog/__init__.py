"""What can be asked for: models, their inputs, sizes and prices, declared as data."""
