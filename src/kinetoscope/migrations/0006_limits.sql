-- How fast requests may come, and keys that are gone for good.

-- Where an account or a key departs from the deployment's pace; null: it does not.
alter table account
  add requests_per_second integer check (requests_per_second between 1 and 1000000),
  add requests_burst      integer check (requests_burst between 1 and 1000000);
alter table api_key
  add requests_per_second integer check (requests_per_second between 1 and 1000000),
  add requests_burst      integer check (requests_burst between 1 and 1000000),
  add deleted_at          timestamptz;  -- inactive ever since, and shown to nobody

-- One row per account that asks, and per key with a pace of its own. What a crash of the server
-- takes away is a second or two of memory, and it need not wait for the disk.
create unlogged table request_pace (
  owner       text primary key,    -- an account's id or a key's
  full_at_ns  bigint not null,     -- when its whole burst is there again (GCRA calls it the
                                   -- theoretical arrival time), in nanoseconds since 1970
  decided_ns  bigint not null,     -- the last decision: when it was made,
  per_second  bigint not null,     -- how many may come in the long run,
  burst       bigint not null,     -- how many may come at once,
  asked       bigint not null,     -- how many asked,
  granted     bigint not null      -- and how many were let through
) with (fillfactor = 50);
