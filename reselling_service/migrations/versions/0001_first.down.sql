-- Takes the first tables away again.

DROP TABLE
    wanted_suspensions,
    tariff_prices,
    orders,
    command_attempts,
    tariffs,
    staff_sessions,
    services,
    commands,
    client_sessions,
    client_refs,
    workers,
    staff_lockouts,
    staff,
    sellers,
    seller_feeds,
    sandbox_clock,
    jobs,
    holds,
    entries,
    clients,
    client_lockouts,
    balances,
    audit_entries;

DROP FUNCTION balances_floor(), client_login(text), client_session(bytea, timestamptz), entries_zero_sum();
