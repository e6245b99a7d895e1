-- Passkeys: public keys of devices that people sign in with.
create table passkey (
  credential_id bytea primary key,
  id            text not null unique,          -- what pages call it
  person_id     text not null references person (id) on delete cascade,
  name          text not null,
  public_key    bytea not null,                -- COSE
  sign_count    bigint not null,               -- one that does not grow tells of a copy
  created_at    timestamptz not null,
  used_at       timestamptz
);
create index passkey_person on passkey (person_id, created_at);

-- Challenges that were answered; none is answered twice.
create table passkey_challenge (
  challenge_sha256 bytea primary key,
  answered_at      timestamptz not null
);
create index passkey_challenge_answered on passkey_challenge (answered_at);
