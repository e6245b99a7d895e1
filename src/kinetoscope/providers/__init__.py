"""Who can make media: one vocabulary, one file or folder for each."""
