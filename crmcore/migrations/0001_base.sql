-- The journal, the users, the customers and their contact records.
-- min_compatible: 1
-- Times are Unix seconds (UTC). Columns marked [pd] hold personal data: crmcore/personal.py lists
-- them, and a test compares the list with these marks.

CREATE TABLE migrations (
  version INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  applied_at REAL NOT NULL,
  sha256 TEXT NOT NULL,
  min_compatible INTEGER NOT NULL
);

-- ---- the journal ------------------------------------------------------------------------------

CREATE TABLE journal (
  seq INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  cause INTEGER,
  kind TEXT NOT NULL,
  interaction TEXT,
  payload TEXT NOT NULL,           -- [pd]
  digest BLOB                      -- SHA-256 of the payload as it was, once it was redacted
);
CREATE INDEX journal_interaction ON journal(interaction) WHERE interaction IS NOT NULL;

CREATE TABLE journal_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  base_seq INTEGER NOT NULL,       -- entries up to this one were compacted away
  base_chain BLOB NOT NULL,
  head_seq INTEGER NOT NULL,
  head_chain BLOB NOT NULL
);
INSERT INTO journal_state VALUES (1, 0, zeroblob(32), 0, zeroblob(32));

CREATE TABLE live (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  snapshot TEXT NOT NULL,          -- [pd]
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;

-- ---- users --------------------------------------------------------------------------------------

CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  username TEXT NOT NULL UNIQUE COLLATE NOCASE,
  name TEXT NOT NULL DEFAULT '',
  password_hash TEXT NOT NULL,
  role TEXT NOT NULL,
  agent TEXT,
  teams TEXT NOT NULL DEFAULT '[]',
  language TEXT NOT NULL DEFAULT '',
  disabled_at REAL,
  created_at REAL NOT NULL,
  password_at REAL NOT NULL,
  version INTEGER NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX users_agent ON users(agent) WHERE agent IS NOT NULL;

CREATE TABLE sessions (
  token_hash BLOB PRIMARY KEY,
  user INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  created_at REAL NOT NULL,
  expires_at REAL NOT NULL,
  address TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions(user);

CREATE TABLE api_tokens (
  id INTEGER PRIMARY KEY,
  token_hash BLOB NOT NULL UNIQUE,
  user INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  created_at REAL NOT NULL,
  expires_at REAL,
  revoked_at REAL
);

CREATE TABLE login_failures (
  subject TEXT PRIMARY KEY,        -- 'user:<name>' or 'address:<address>'
  failures INTEGER NOT NULL,
  last_at REAL NOT NULL,
  blocked_until REAL NOT NULL
) WITHOUT ROWID;

-- ---- audit --------------------------------------------------------------------------------------

CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  actor TEXT NOT NULL,
  source TEXT NOT NULL DEFAULT '',
  action TEXT NOT NULL,
  entity TEXT NOT NULL,
  entity_id TEXT NOT NULL,
  customer INTEGER,                -- whose personal data "before" and "after" may hold
  before TEXT,                     -- [pd]
  after TEXT                       -- [pd]
);
CREATE INDEX audit_entity ON audit(entity, entity_id);
CREATE INDEX audit_customer ON audit(customer) WHERE customer IS NOT NULL;

CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
  SELECT RAISE(ABORT, 'audit is append-only');
END;
-- The one change allowed: the personal values of an erased customer give way to NULL.
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
WHEN NOT (NEW.before IS NULL AND NEW.after IS NULL AND NEW.id = OLD.id AND NEW.at = OLD.at
  AND NEW.actor = OLD.actor AND NEW.source = OLD.source AND NEW.action = OLD.action
  AND NEW.entity = OLD.entity AND NEW.entity_id = OLD.entity_id AND NEW.customer IS OLD.customer
  AND OLD.customer IS NOT NULL)
BEGIN
  SELECT RAISE(ABORT, 'audit is append-only');
END;

-- ---- customers ----------------------------------------------------------------------------------

CREATE TABLE customers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN ('person', 'organisation')),
  name TEXT NOT NULL DEFAULT '',                -- [pd]
  name_key TEXT NOT NULL DEFAULT '',            -- [pd] folded for comparison
  sound TEXT NOT NULL DEFAULT '',               -- [pd] pinyin without tones, for duplicates
  title TEXT NOT NULL DEFAULT '',               -- [pd] 先生, 主任, Dr
  sex TEXT NOT NULL DEFAULT '',                 -- [pd]
  birthday TEXT,                                -- [pd] YYYY-MM-DD
  language TEXT NOT NULL DEFAULT '',
  vip INTEGER NOT NULL DEFAULT 0,
  blocked INTEGER NOT NULL DEFAULT 0,
  owner TEXT,                                   -- a user name
  team TEXT,
  custom TEXT NOT NULL DEFAULT '{}',            -- [pd] JSON object, keys from the dictionary
  source TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'staged', 'merged', 'erased')),
  merged_into INTEGER REFERENCES customers(id),
  import_id INTEGER,
  version INTEGER NOT NULL DEFAULT 1,
  created_at REAL NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at REAL NOT NULL
);
CREATE INDEX customers_name ON customers(name_key);
CREATE INDEX customers_sound ON customers(sound) WHERE sound <> '';
CREATE INDEX customers_owner ON customers(owner, id) WHERE owner IS NOT NULL;
CREATE INDEX customers_team ON customers(team, id) WHERE team IS NOT NULL;
CREATE INDEX customers_import ON customers(import_id) WHERE import_id IS NOT NULL;
CREATE INDEX customers_merged ON customers(merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE contact_points (
  id INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers(id),
  kind TEXT NOT NULL,                           -- phone, email, postal, wechat, weibo, qq, ...
  value TEXT NOT NULL,                          -- [pd] as it was given
  key TEXT NOT NULL,                            -- [pd] canonical
  tail TEXT,                                    -- [pd] phones: the last 7 digits
  label TEXT NOT NULL DEFAULT '',               -- mobile, home, work, ...
  preferred INTEGER NOT NULL DEFAULT 0,
  opt_out INTEGER NOT NULL DEFAULT 0,
  invalid INTEGER NOT NULL DEFAULT 0,
  source TEXT NOT NULL DEFAULT '',
  source_at REAL,
  created_at REAL NOT NULL
);
CREATE UNIQUE INDEX contact_points_customer ON contact_points(customer, kind, key);
CREATE INDEX contact_points_key ON contact_points(key, kind);
CREATE INDEX contact_points_tail ON contact_points(tail) WHERE tail IS NOT NULL;

-- Who is meant by a number that several share: the last choice of a person.
CREATE TABLE number_choices (
  key TEXT PRIMARY KEY,                         -- [pd]
  customer INTEGER NOT NULL REFERENCES customers(id),
  chosen_at REAL NOT NULL,
  chosen_by TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX number_choices_customer ON number_choices(customer);

-- ---- contact records ----------------------------------------------------------------------------

CREATE TABLE contact_records (
  id INTEGER PRIMARY KEY,
  interaction TEXT NOT NULL UNIQUE,
  channel TEXT NOT NULL,
  direction TEXT NOT NULL DEFAULT 'in',
  caller_number TEXT NOT NULL DEFAULT '',       -- [pd]
  caller_name TEXT NOT NULL DEFAULT '',         -- [pd]
  number_key TEXT,                              -- [pd]
  did TEXT NOT NULL DEFAULT '',
  queue TEXT,
  queues TEXT NOT NULL DEFAULT '[]',
  agent TEXT,
  agents TEXT NOT NULL DEFAULT '[]',
  team TEXT,
  customer INTEGER REFERENCES customers(id),
  outcome TEXT NOT NULL,
  disposition TEXT,
  notes TEXT NOT NULL DEFAULT '',               -- [pd]
  arrived_at REAL NOT NULL,
  queued_at REAL,
  answered_at REAL,
  ended_at REAL NOT NULL,
  wait_s REAL NOT NULL DEFAULT 0,
  talk_s REAL NOT NULL DEFAULT 0,
  wrap_up_s REAL,
  priority INTEGER NOT NULL DEFAULT 0,
  offers TEXT NOT NULL DEFAULT '[]',
  legs TEXT NOT NULL DEFAULT '[]',
  causes TEXT NOT NULL DEFAULT '[]',
  survey TEXT,                                  -- [pd] JSON, answers of the caller
  recording_failures TEXT NOT NULL DEFAULT '[]',
  version INTEGER NOT NULL DEFAULT 1,
  updated_at REAL NOT NULL
);
CREATE INDEX contact_records_arrived ON contact_records(arrived_at);
CREATE INDEX contact_records_customer ON contact_records(customer, arrived_at)
  WHERE customer IS NOT NULL;
CREATE INDEX contact_records_number ON contact_records(number_key, arrived_at)
  WHERE number_key IS NOT NULL;
CREATE INDEX contact_records_agent ON contact_records(agent, arrived_at) WHERE agent IS NOT NULL;
CREATE INDEX contact_records_queue ON contact_records(queue, arrived_at) WHERE queue IS NOT NULL;

-- What became known about an interaction before its contact record was there.
CREATE TABLE early_amendments (
  id INTEGER PRIMARY KEY,
  interaction TEXT NOT NULL,
  agent TEXT NOT NULL,
  disposition TEXT,
  notes TEXT,                                   -- [pd]
  wrap_up_s REAL
);
CREATE INDEX early_amendments_interaction ON early_amendments(interaction);

CREATE TABLE recordings (
  id TEXT PRIMARY KEY,
  interaction TEXT NOT NULL,
  file TEXT NOT NULL DEFAULT '',
  sha256 TEXT NOT NULL DEFAULT '',
  bytes INTEGER NOT NULL DEFAULT 0,
  duration_s REAL NOT NULL DEFAULT 0,
  state TEXT NOT NULL CHECK (state IN ('pending', 'ready', 'failed', 'erased')),
  reason TEXT NOT NULL DEFAULT '',
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX recordings_interaction ON recordings(interaction);
CREATE INDEX recordings_pending ON recordings(state) WHERE state = 'pending';

-- ---- call-back work list --------------------------------------------------------------------------

CREATE TABLE callbacks (
  id INTEGER PRIMARY KEY,
  number_key TEXT NOT NULL,                     -- [pd]
  number TEXT NOT NULL,                         -- [pd]
  customer INTEGER REFERENCES customers(id),
  queue TEXT,
  team TEXT,
  did TEXT NOT NULL DEFAULT '',
  first_interaction TEXT NOT NULL,
  last_interaction TEXT NOT NULL,
  missed INTEGER NOT NULL DEFAULT 1,
  first_at REAL NOT NULL,
  last_at REAL NOT NULL,
  state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'taken', 'done')),
  owner TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  result TEXT NOT NULL DEFAULT '',              -- reached, no_answer, wrong_number, rang_again, ...
  note TEXT NOT NULL DEFAULT '',                -- [pd]
  due_at REAL,
  closed_at REAL,
  version INTEGER NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX callbacks_open ON callbacks(number_key) WHERE state <> 'done';
CREATE INDEX callbacks_work ON callbacks(state, first_at) WHERE state <> 'done';
CREATE INDEX callbacks_customer ON callbacks(customer) WHERE customer IS NOT NULL;
