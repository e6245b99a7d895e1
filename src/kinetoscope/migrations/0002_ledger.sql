-- The ledger only grows. Each entry moves credits between four places and adds up to zero:
-- granted (what the account was ever given, counted negatively), available, held, spent.
create table ledger_entry (
  id         bigint generated always as identity primary key,
  account_id text not null references account (id),
  task_id    text,
  kind       text not null check (kind in ('grant', 'hold', 'capture', 'release')),
  granted    bigint not null,
  available  bigint not null,
  held       bigint not null,
  spent      bigint not null,
  reason     text not null default '',
  created_at timestamptz not null,
  check (granted + available + held + spent = 0),
  check ((kind = 'grant') = (task_id is null)),
  unique (task_id, kind)
);
create index ledger_entry_account on ledger_entry (account_id, id);

-- One hold per task ends once: by capture or by release, never by both.
create unique index ledger_entry_one_end on ledger_entry (task_id)
  where kind in ('capture', 'release');

create function ledger_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'ledger entries are never changed or deleted';
end
$$;

create trigger ledger_append_only before update or delete or truncate on ledger_entry
  for each statement execute function ledger_is_append_only();
