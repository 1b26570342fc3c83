"""The client's side: edits that lose nobody's change."""
