# Sourced: installs the Debian packages named that are missing. As root, or through sudo.
need_packages() {
    missing=""
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    root=""
    [ "$(id -u)" = 0 ] || root=sudo
    echo "installing:$missing"
    $root apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

BUILD_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config libprotobuf-c-dev protobuf-c-compiler libyaml-dev libjansson-dev libopenblas-dev liblapacke-dev libzip-dev"
TEST_PACKAGES="check protobuf-compiler clang libclang-rt-14-dev python3-venv"
