-- What a search for a provider has learnt, when it goes on in another queue.
alter table task add column search jsonb;

-- Which queues somebody works on, noted by workers every few seconds.
create table served_queue (
  queue   text primary key,
  seen_at timestamptz not null
);

-- Where clients reach the API, as its last start said; media addresses of all machines begin so.
alter table deployment add column public_url text;
