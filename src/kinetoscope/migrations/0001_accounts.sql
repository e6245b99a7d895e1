-- Accounts and their balances. Money is whole hundredths of a credit.
create table account (
  id                text primary key,
  name              text not null unique,
  available         bigint not null default 0 check (available >= 0),
  held              bigint not null default 0 check (held >= 0),
  spent             bigint not null default 0 check (spent >= 0),
  tasks_running     integer not null default 0 check (tasks_running >= 0),
  tasks_running_max integer not null check (tasks_running_max >= 0),
  api_access        boolean not null default true,
  created_at        timestamptz not null
) with (fillfactor = 70);  -- balances change often: leave room for updates on the same page

create table api_key (
  id            text primary key,
  account_id    text not null references account (id),
  name          text not null,
  mode          text not null check (mode in ('live', 'test')),
  secret_sha256 bytea not null,
  last_four     text not null,
  scopes        text[] not null,
  active        boolean not null default true,
  expires_at    timestamptz,
  replaced_by   text references api_key (id),
  created_at    timestamptz not null,
  last_used_at  timestamptz
);
create index api_key_account on api_key (account_id, created_at);
