# The docker client: version, help, contexts; no daemon is asked for.
command -v docker > /dev/null || { echo "no docker"; exit 77; }
export DOCKER_HOST="unix://$PWD/none.sock"
docker --version
docker --help > /dev/null
docker context ls > /dev/null
docker ps 2> /dev/null || true
