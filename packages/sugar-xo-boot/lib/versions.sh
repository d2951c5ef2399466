#!/bin/sh
# The versions tree: several builds of the system side by side on one root file system. To be sourced.

# The build that the firmware started: what boot, or boot-alt with the O key, points to in the boot partition, or in an
# unpartitioned root.
current_build() {
    name=boot
    case $(chosen bootpath) in *\\boot-alt\\*) name=boot-alt ;; esac
    if [ -L "$1/versions/boot/current" ]; then
        [ $name = boot ] && name=current || name=alt
        target=$(readlink "$1/versions/boot/$name")
    else
        target=$(readlink "$XO_STORE/$name")
    fi
    echo "${target##*/}"
}

# The tree of a build that may be written to: links to the pristine one, made at its first start.
run_tree() {
    tree=$1/versions/run/$2
    pristine=$1/versions/pristine/$2
    if [ ! -d "$tree" ]; then
        [ -d "$pristine" ] || return 1
        mount -o remount,rw "$1" && mkdir -p "$1/versions/run" || return 1
        rm -rf "$1/versions/run/.$2.new"
        cp -al "$pristine" "$1/versions/run/.$2.new" && mv "$1/versions/run/.$2.new" "$tree" || return 1
        sync
    fi
    echo "$tree"
}

# Make a build's tree the root, with what all builds share inside.
enter_version() {
    tree=$(run_tree "$1" "$2") || return 1
    mkdir -p "$XO_VERSION"
    mount -o bind "$tree" "$XO_VERSION" || return 1
    for shared in home versions security; do
        [ -d "$1/$shared" ] && [ -d "$XO_VERSION/$shared" ] && mount -o bind "$1/$shared" "$XO_VERSION/$shared"
    done
    umount -l "$1" && mount -o move "$XO_VERSION" "$1"
}
