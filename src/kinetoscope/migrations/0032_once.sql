-- What must not happen twice, or unheard.

-- Forms that gave credits or took some back; none does so again. An operator's, so they are few.
create table grant_once (
  token      text primary key,                     -- random, from the form
  account_id text not null references account (id),
  created_at timestamptz not null
);

-- Not every currency has cents: amounts are of its smallest unit, as Stripe counts it.
alter table payment rename column amount_cents to amount_minor;
alter table payment rename column refunded_cents to refunded_minor;

-- Disputes name what was paid by Stripe's own name alone.
alter table payment add intent_id text;
create index payment_intent on payment (intent_id);

alter table payment drop constraint payment_state_check;
alter table payment add constraint payment_state_check
  check (state in ('open', 'pending', 'paid', 'failed', 'expired', 'refunded', 'disputed'));

-- One row for each time that a bank was asked to take money back. Written under its payment's lock.
create table payment_dispute (
  id           text primary key,                   -- Stripe's name for it
  payment_id   text not null references payment (id),
  amount_minor bigint not null check (amount_minor >= 0),
  state        text not null check (state in ('open', 'won', 'lost')),
  taken_back   bigint not null check (taken_back >= 0),  -- credits; given back if it is won
  created_at   timestamptz not null,
  closed_at    timestamptz
);
create index payment_dispute_payment on payment_dispute (payment_id);
