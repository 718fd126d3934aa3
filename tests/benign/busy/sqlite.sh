# Rows by the million into a database with an index, then sums over them.
command -v sqlite3 > /dev/null || { echo "no sqlite3"; exit 77; }
cat > load.sql <<'SQL'
pragma synchronous = off;
create table if not exists reading (id integer primary key, sensor text, value real);
create index if not exists by_sensor on reading (sensor, value);
insert into reading (sensor, value)
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000)
    select 'sensor-' || (i * 7919 % 1000), (i * 104729 % 1000003) / 7.0 from n;
select sensor, avg(value), count(*) from reading group by sensor order by 2 desc limit 3;
SQL
timeout "$LONG" sh -c 'while :; do rm -f readings.db; sqlite3 readings.db < load.sql > sums.txt; done' || [ $? = 124 ]
