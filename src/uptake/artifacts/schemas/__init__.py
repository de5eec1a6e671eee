"""What the files of a run hold: a schema a file, as frozen records. Keys that a schema does not name are not read."""
