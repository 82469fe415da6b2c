-- Everything that stands around a customer.
-- min_compatible: 2

CREATE TABLE customer_roles (
  customer INTEGER NOT NULL REFERENCES customers(id),
  role TEXT NOT NULL,                           -- code of the dictionary "customer_role"
  since_at REAL,
  source TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (customer, role)
) WITHOUT ROWID;
CREATE INDEX customer_roles_role ON customer_roles(role, customer);

CREATE TABLE customer_tags (
  customer INTEGER NOT NULL REFERENCES customers(id),
  tag TEXT NOT NULL,
  PRIMARY KEY (customer, tag)
) WITHOUT ROWID;
CREATE INDEX customer_tags_tag ON customer_tags(tag, customer);

CREATE TABLE addresses (
  id INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers(id),
  label TEXT NOT NULL DEFAULT '',
  country TEXT NOT NULL DEFAULT 'CN',
  province TEXT NOT NULL DEFAULT '',            -- [pd]
  city TEXT NOT NULL DEFAULT '',                -- [pd]
  district TEXT NOT NULL DEFAULT '',            -- [pd]
  street TEXT NOT NULL DEFAULT '',              -- [pd]
  postcode TEXT NOT NULL DEFAULT '',            -- [pd]
  opt_out INTEGER NOT NULL DEFAULT 0,
  invalid INTEGER NOT NULL DEFAULT 0,
  source TEXT NOT NULL DEFAULT '',
  source_at REAL,
  created_at REAL NOT NULL
);
CREATE INDEX addresses_customer ON addresses(customer);

CREATE TABLE relations (
  id INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers(id),
  kind TEXT NOT NULL,                           -- works_for, household, agency_of, ...
  other INTEGER NOT NULL REFERENCES customers(id),
  note TEXT NOT NULL DEFAULT '',                -- [pd]
  since_at REAL,
  created_at REAL NOT NULL,
  UNIQUE (customer, kind, other)
);
CREATE INDEX relations_other ON relations(other);

CREATE TABLE profile_facts (
  id INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers(id),
  name TEXT NOT NULL,
  value TEXT NOT NULL,                          -- [pd]
  source TEXT NOT NULL,
  at REAL NOT NULL
);
CREATE INDEX profile_facts_customer ON profile_facts(customer, name, at);

CREATE TABLE notes (
  id INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers(id),
  contact_record INTEGER REFERENCES contact_records(id),
  author TEXT NOT NULL,
  text TEXT NOT NULL,                           -- [pd]
  pinned INTEGER NOT NULL DEFAULT 0,
  at REAL NOT NULL,
  version INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX notes_customer ON notes(customer, at);

CREATE TABLE mentions (
  id INTEGER PRIMARY KEY,
  note INTEGER NOT NULL REFERENCES notes(id) ON DELETE CASCADE,
  username TEXT NOT NULL,
  at REAL NOT NULL,
  read_at REAL,
  UNIQUE (note, username)
);
CREATE INDEX mentions_username ON mentions(username, at);

CREATE TABLE watchers (
  customer INTEGER NOT NULL REFERENCES customers(id),
  username TEXT NOT NULL,
  PRIMARY KEY (customer, username)
) WITHOUT ROWID;

CREATE TABLE attachments (
  id INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers(id),
  name TEXT NOT NULL,                           -- [pd]
  media_type TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  content BLOB NOT NULL,                        -- [pd]
  author TEXT NOT NULL,
  at REAL NOT NULL
);
CREATE INDEX attachments_customer ON attachments(customer);

CREATE TABLE consents (
  id INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers(id),
  channel TEXT NOT NULL,                        -- phone, sms, email, postal, wechat, any
  purpose TEXT NOT NULL,                        -- service, marketing, recording, research, any
  state TEXT NOT NULL CHECK (state IN ('granted', 'withdrawn')),
  source TEXT NOT NULL,
  proof TEXT NOT NULL DEFAULT '',
  actor TEXT NOT NULL,
  at REAL NOT NULL
);
CREATE INDEX consents_customer ON consents(customer, at);

CREATE TABLE erasures (
  id INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL,
  pseudonym TEXT NOT NULL,
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  at REAL NOT NULL,
  pending TEXT NOT NULL DEFAULT '[]',           -- what the ports have still to erase
  finished_at REAL
);

CREATE TABLE duplicates (
  id INTEGER PRIMARY KEY,
  one INTEGER NOT NULL REFERENCES customers(id),
  other INTEGER NOT NULL REFERENCES customers(id),
  score REAL NOT NULL,
  reasons TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'merged', 'dismissed')),
  found_at REAL NOT NULL,
  decided_at REAL,
  decided_by TEXT,
  UNIQUE (one, other),
  CHECK (one < other)
);
CREATE INDEX duplicates_open ON duplicates(score) WHERE state = 'open';
CREATE INDEX duplicates_other ON duplicates(other);

CREATE TABLE merges (
  id INTEGER PRIMARY KEY,
  survivor INTEGER NOT NULL REFERENCES customers(id),
  gone INTEGER NOT NULL REFERENCES customers(id),
  undo TEXT NOT NULL,                           -- [pd] JSON, what it takes to undo
  actor TEXT NOT NULL,
  at REAL NOT NULL,
  undone_at REAL
);
CREATE INDEX merges_survivor ON merges(survivor);
CREATE INDEX merges_gone ON merges(gone);

CREATE TABLE tasks (
  id INTEGER PRIMARY KEY,
  title TEXT NOT NULL,                          -- [pd]
  text TEXT NOT NULL DEFAULT '',                -- [pd]
  customer INTEGER REFERENCES customers(id),
  interaction TEXT,
  owner TEXT,
  team TEXT,
  due_at REAL,
  remind_at REAL,
  reminded_at REAL,
  state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'cancelled')),
  created_by TEXT NOT NULL,
  created_at REAL NOT NULL,
  closed_at REAL,
  version INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX tasks_owner ON tasks(owner, due_at) WHERE state = 'open';
CREATE INDEX tasks_remind ON tasks(remind_at) WHERE remind_at IS NOT NULL AND reminded_at IS NULL;
CREATE INDEX tasks_customer ON tasks(customer) WHERE customer IS NOT NULL;

CREATE TABLE webhooks (
  id INTEGER PRIMARY KEY,
  url TEXT NOT NULL,
  secret TEXT NOT NULL,
  events TEXT NOT NULL,                         -- JSON list of event names, or ["*"]
  active INTEGER NOT NULL DEFAULT 1,
  created_by TEXT NOT NULL,
  created_at REAL NOT NULL,
  version INTEGER NOT NULL DEFAULT 1
);

CREATE TABLE webhook_deliveries (
  id INTEGER PRIMARY KEY,
  webhook INTEGER NOT NULL REFERENCES webhooks(id) ON DELETE CASCADE,
  event TEXT NOT NULL,
  customer INTEGER,
  body TEXT NOT NULL,                           -- [pd]
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
  attempts INTEGER NOT NULL DEFAULT 0,
  next_at REAL NOT NULL,
  last_status INTEGER,
  last_error TEXT NOT NULL DEFAULT '',
  created_at REAL NOT NULL,
  delivered_at REAL
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries(next_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_customer ON webhook_deliveries(customer)
  WHERE customer IS NOT NULL;

CREATE TABLE dictionaries (
  kind TEXT NOT NULL,
  code TEXT NOT NULL,
  label_zh TEXT NOT NULL,
  label_en TEXT NOT NULL,
  position INTEGER NOT NULL DEFAULT 0,
  active INTEGER NOT NULL DEFAULT 1,
  extra TEXT NOT NULL DEFAULT '{}',             -- custom fields: {"type": .., "choices": [..]}
  PRIMARY KEY (kind, code)
) WITHOUT ROWID;

CREATE TABLE permissions (
  role TEXT NOT NULL,
  entity TEXT NOT NULL,
  action TEXT NOT NULL,
  scope TEXT NOT NULL CHECK (scope IN ('all', 'team', 'own', 'none')),
  PRIMARY KEY (role, entity, action)
) WITHOUT ROWID;

CREATE TABLE field_masks (
  role TEXT NOT NULL,
  field TEXT NOT NULL,
  masked INTEGER NOT NULL,
  PRIMARY KEY (role, field)
) WITHOUT ROWID;

CREATE TABLE saved_views (
  id INTEGER PRIMARY KEY,
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  entity TEXT NOT NULL,
  filter TEXT NOT NULL,
  shared INTEGER NOT NULL DEFAULT 0,
  version INTEGER NOT NULL DEFAULT 1,
  UNIQUE (owner, entity, name)
);

CREATE TABLE imports (
  id INTEGER PRIMARY KEY,
  file_name TEXT NOT NULL,
  mode TEXT NOT NULL CHECK (mode IN ('create', 'update', 'both')),
  mapping TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('staging', 'done', 'failed', 'undoing', 'undone')),
  total INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL DEFAULT 0,
  updated INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0,
  actor TEXT NOT NULL,
  at REAL NOT NULL,
  finished_at REAL
);

CREATE TABLE import_changes (
  id INTEGER PRIMARY KEY,
  import_id INTEGER NOT NULL REFERENCES imports(id),
  customer INTEGER NOT NULL,
  change TEXT NOT NULL,                         -- [pd] JSON, the row as it will be applied
  undo TEXT                                     -- [pd] JSON, once applied
);
CREATE INDEX import_changes_import ON import_changes(import_id, id);
CREATE INDEX import_changes_customer ON import_changes(customer);

CREATE TABLE import_refusals (
  import_id INTEGER NOT NULL REFERENCES imports(id),
  line INTEGER NOT NULL,
  problem TEXT NOT NULL,
  content TEXT NOT NULL,                        -- [pd] JSON, the cells
  PRIMARY KEY (import_id, line)
) WITHOUT ROWID;

-- The last four digits, as people say them.
CREATE INDEX contact_points_last4 ON contact_points(substr(tail, 4)) WHERE tail IS NOT NULL;

-- ---- search -------------------------------------------------------------------------------------
-- The text is cut into tokens by crmcore/text.py; the tokenizer only has to split at spaces.

CREATE VIRTUAL TABLE customer_fts USING fts5(
  name, rest, tokenize = "unicode61 remove_diacritics 0", columnsize = 0
);
CREATE VIRTUAL TABLE record_fts USING fts5(
  notes, tokenize = "unicode61 remove_diacritics 0", columnsize = 0
);
