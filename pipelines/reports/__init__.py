"""What leaves appfleet as a file for people and their systems. Figures are read as published, never computed here."""
