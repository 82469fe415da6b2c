-- An entry about an interaction that nobody was linked to may hold personal values too.
-- min_compatible: 2

DROP TRIGGER audit_no_update;
-- The one change allowed: personal values give way to NULL when a person is erased.
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
WHEN NOT (NEW.before IS NULL AND NEW.after IS NULL AND NEW.id = OLD.id AND NEW.at = OLD.at
  AND NEW.actor = OLD.actor AND NEW.source = OLD.source AND NEW.action = OLD.action
  AND NEW.entity = OLD.entity AND NEW.entity_id = OLD.entity_id AND NEW.customer IS OLD.customer)
BEGIN
  SELECT RAISE(ABORT, 'audit is append-only');
END;
