#!/usr/bin/env bash
# Join a Ray cluster as a worker and stay until the cluster ends. Further arguments go to `ray start`.
#
#   RAY_ADDRESS           host:port of the head (its GCS port, usually 6379); required
#   RAY_AUTH_TOKEN        the cluster's token, or
#   RAY_AUTH_TOKEN_PATH   a file that holds it; ~/.ray/auth_token is used if it exists
#   RAY_AUTH_MODE         "disabled" to join a cluster without authentication
set -euo pipefail

fail() {
  echo "start.sh: $*" >&2
  exit 2
}

address=${RAY_ADDRESS:-}
[[ -n $address ]] || fail "RAY_ADDRESS is not set. Set it to host:port of the head node, for example 10.0.0.5:6379."
case $address in
  ray://*) fail "RAY_ADDRESS=$address is a Ray Client address. A worker joins the head itself: host:6379, no ray://." ;;
  http://* | https://*) fail "RAY_ADDRESS=$address is a dashboard address. A worker joins the head itself: host:6379." ;;
esac
# No other form is worth a guess: Ray would retry a wrong address for minutes before saying so.
[[ $address =~ ^[^[:space:]]+:[0-9]+$ ]] || fail "RAY_ADDRESS=$address has no port. Write host:port, for example $address:6379."

if [[ -n ${RAY_AUTH_TOKEN:-} || -n ${RAY_AUTH_TOKEN_PATH:-} || -s ${HOME:-}/.ray/auth_token ]]; then
  export RAY_AUTH_MODE=${RAY_AUTH_MODE:-token}
elif [[ ${RAY_AUTH_MODE:-} != disabled ]]; then
  fail "no token. Set RAY_AUTH_TOKEN to the cluster's token (\`ray get-auth-token\` on the head prints it)," \
    "or RAY_AUTH_MODE=disabled if the cluster has none."
fi

command -v ray >/dev/null || fail "the command 'ray' is not found. Install routilux_dist into the environment on PATH."

exec ray start --address="$address" --block "$@"
