"""What a user types: commands that ask a server over HTTP, and import only the client of ours."""
