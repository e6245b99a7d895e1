-- What a submit referred to at the upstream, as long as nobody knows whether it arrived: sent again,
-- it must say the same.
alter table task add column upstream_prepared jsonb;
