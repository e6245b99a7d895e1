-- Identities: who a person is at the OpenID Connect issuer that the operator has named.
create table identity (
  issuer     text not null,
  subject    text not null,                    -- the issuer's own name for them, never reused
  id         text not null unique,             -- what pages call it
  person_id  text not null references person (id) on delete cascade,
  email      text not null,                    -- what the issuer said then; shown, never trusted
  created_at timestamptz not null,
  used_at    timestamptz not null,
  primary key (issuer, subject)
);
create index identity_person on identity (person_id, created_at);
