-- People: who signs in to the dashboard, and whose accounts they may act for.

alter table account add title text not null default '';  -- what people call it; empty: its name

create table person (
  id                  text primary key,
  email               text not null,
  name                text not null,
  password_hash       text,                    -- argon2id; null: signs in otherwise
  is_operator         boolean not null default false,
  network             cidr,                    -- where they signed up from; null: were invited
  created_at          timestamptz not null,
  disabled_at         timestamptz,
  password_changed_at timestamptz
);
create unique index person_email on person (lower(email));
create index person_network on person (network, created_at) where network is not null;

-- Owners manage keys, credits and members; members make things.
create table member (
  account_id text not null references account (id),
  person_id  text not null references person (id),
  role       text not null check (role in ('owner', 'member')),
  created_at timestamptz not null,
  primary key (account_id, person_id)
);
create index member_person on member (person_id, created_at);

-- Sessions: the cookie holds the token, this the hash of it.
create table session (
  token_sha256 bytea primary key,
  id           text not null unique,           -- what pages call it; opens nothing
  person_id    text not null references person (id),
  account_id   text not null references account (id),  -- whom the person acts for just now
  user_agent   text not null,
  address      inet,
  created_at   timestamptz not null,
  seen_at      timestamptz not null,
  expires_at   timestamptz not null
);
create index session_person on session (person_id, seen_at);
create index session_expired on session (expires_at);

-- Links that sign somebody in once: the operator's first, and for forgotten passwords.
create table sign_in_link (
  token_sha256 bytea primary key,
  person_id    text not null references person (id),
  created_at   timestamptz not null,
  expires_at   timestamptz not null,
  used_at      timestamptz
);

create table invitation (
  token_sha256 bytea primary key,
  id           text not null unique,
  account_id   text not null references account (id),
  email        text not null,
  role         text not null check (role in ('owner', 'member')),
  invited_by   text not null references person (id),
  created_at   timestamptz not null,
  expires_at   timestamptz not null,
  accepted_at  timestamptz
);
create index invitation_account on invitation (account_id, created_at);

-- Failed attempts to sign in, by who was tried; what is not yet due is not even looked at.
create table sign_in_failure (
  subject  text primary key,                   -- the address tried, hashed: it may be a password
  failures integer not null,
  last_at  timestamptz not null
);

-- The keys that an account's people use in the studio: nobody knows their text.
alter table api_key add is_studio boolean not null default false;
create unique index api_key_studio on api_key (account_id, mode) where is_studio;

-- What people and operators did. Each entry carries the hash of the one before: a gap shows.
create table audit_entry (
  id         bigint generated always as identity primary key,
  person_id  text references person (id),
  actor      text not null,                    -- their address then, or `command line`
  address    inet,
  account_id text references account (id),
  action     text not null,
  target     text not null,
  detail     jsonb not null,
  created_at timestamptz not null,
  previous   bytea not null,
  sha256     bytea not null unique
);
create index audit_entry_account on audit_entry (account_id, id);

create function audit_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'audit entries are never changed or deleted';
end
$$;

create trigger audit_append_only before update or delete or truncate on audit_entry
  for each statement execute function audit_is_append_only();
