-- From when to when a recording was kept silent, and by whom.
-- min_compatible: 2

ALTER TABLE contact_records ADD COLUMN recording_gaps TEXT NOT NULL DEFAULT '[]';
