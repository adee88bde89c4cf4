"""The keyring that the settings name."""
