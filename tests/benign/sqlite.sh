# sqlite: a database with a journal, a dump, a restore, by the shell and by Python.
cat > work.sql <<'SQL'
pragma journal_mode = wal;
create table runs (id integer primary key, loss real);
insert into runs (loss) with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) select 1.0 / i from n;
SQL
if command -v sqlite3 > /dev/null; then
    sqlite3 runs.db < work.sql > /dev/null
    sqlite3 runs.db .dump | sqlite3 copy.db
    sqlite3 copy.db 'vacuum; select count(*) from runs;'
fi
/usr/bin/python3 - <<'PYTHON'
import sqlite3
database = sqlite3.connect("python.db")
database.executescript("create table t (x); insert into t values (1); create index i on t (x);")
print(database.execute("select count(*) from t").fetchone())
PYTHON
