"""Where finished media lives: storage, inspection, signed addresses."""
