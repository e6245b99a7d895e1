-- Keys of upstreams, and which signing key this database belongs to.

create table provider_key (
  provider   text primary key,
  sealed     bytea not null,         -- kernel/envelope.py; the master key is never in the database
  hint       text not null,          -- its last four characters
  created_at timestamptz not null,
  updated_at timestamptz not null
);

-- What is sealed and signed here opens under one signing key only; the row tells whose.
create table deployment (
  is_only     boolean primary key default true check (is_only),
  fingerprint text not null,
  created_at  timestamptz not null
);
