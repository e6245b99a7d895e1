-- Credits that people buy, and below which balance they want to be told.

alter table account add alert_below bigint check (alert_below >= 0);  -- null: no alert

-- One row for each time somebody set out to buy a pack. What a row says is settled under its lock,
-- and its grant is written in the same transaction: once.
create table payment (
  id             text primary key,
  account_id     text not null references account (id),
  person_id      text not null references person (id),
  credits        bigint not null check (credits > 0),
  amount_cents   bigint not null check (amount_cents > 0),  -- of the currency's smallest unit
  currency       text not null,
  state          text not null default 'open'
                   check (state in ('open', 'pending', 'paid', 'failed', 'expired', 'refunded')),
  session_id     text unique,                                -- Stripe's name for it
  checkout_url   text,                                       -- where it can be paid
  receipt_url    text,
  refunded_cents bigint not null default 0 check (refunded_cents >= 0),
  taken_back     bigint not null default 0 check (taken_back >= 0),  -- credits, for refunds
  created_at     timestamptz not null,
  paid_at        timestamptz,
  refunded_at    timestamptz
);
create index payment_account on payment (account_id, created_at desc, id);
