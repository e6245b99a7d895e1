-- What is due, first: receivers that nothing is due for cost a claim nothing, however many.
create index webhook_delivery_early on webhook_delivery (next_attempt_at) where state = 'pending';
