"""Credits: entries that only ever grow, and the balances they add up to."""
