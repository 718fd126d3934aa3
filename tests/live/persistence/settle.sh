# settle.sh PLACE: makes a file that the sensor sees, and waits until the test has taken it away.
file=$1/settle/$$
: > "$file"
until [ ! -e "$file" ]; do sleep 0.002; done
