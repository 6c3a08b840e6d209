use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;

const ALL: Scope = Scope { depth: 4, hidden: true };

/// What a listing says of each name, in a word.
fn kinds(folder: &Path) -> Vec<(String, &'static str)> {
    let listing = Folder::open(folder).unwrap().list(ALL).unwrap();
    let word = |entry: &Entry| match &entry.kind {
        Kind::File(_) => "file",
        Kind::Folder => "folder",
        Kind::TooDeep => "deep",
        Kind::LinkToFolder => "link",
        Kind::Special => "special",
        Kind::Unreadable(_) => "unreadable",
        Kind::UnreadableFolder(_) => "unreadable folder",
    };
    listing.entries.iter().map(|entry| (entry.shown(), word(entry))).collect()
}

/// The bytes of a file.
fn read(folder: &Path, name: &str) -> io::Result<Vec<u8>> {
    let folder = Folder::open(folder)?;
    let listing = folder.list(ALL)?;
    let entry = listing.entries.iter().find(|entry| entry.name() == Some(name)).unwrap();
    match &entry.kind {
        Kind::File(stamp) => folder.read(&listing, entry, stamp),
        Kind::Unreadable(error) => Err(io::Error::new(error.kind(), error.to_string())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn links_are_followed_beneath_the_folder_and_not_out_of_it() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("root");
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::write(outer.path().join("token"), "secret").unwrap();
    fs::write(root.join("file"), "text").unwrap();
    for (target, name) in [
        ("../file", "sub/up"),
        ("../token", "relative"),
        ("../../token", "sub/relative"),
        ("/proc/self/environ", "environ"),
        ("/proc/self/fd/0", "magic"),
        ("round", "round"),
        ("sub", "folder"),
        ("..", "out"),
    ] {
        symlink(target, root.join(name)).unwrap();
    }
    symlink(outer.path().join("token"), root.join("absolute")).unwrap();
    let found = kinds(&root);
    let of = |name: &str| found.iter().find(|(found, _)| found == name).unwrap().1;
    assert_eq!((of("sub/up"), of("folder")), ("file", "link"));
    for name in ["relative", "sub/relative", "environ", "magic", "round", "absolute", "out"] {
        assert_eq!(of(name), "unreadable", "{name}");
    }
    assert_eq!(read(&root, "sub/up").unwrap(), b"text");
    assert!(read(&root, "relative").unwrap_err().to_string().contains("leads out of the folder"));
    assert!(Folder::open(&root).unwrap().read_first("../token", 10).is_err());
}

#[test]
fn pipes_sockets_and_files_without_an_end_keep_nobody_waiting() {
    let root = tempfile::tempdir().unwrap();
    mkfifo(&root.path().join("pipe"), Mode::S_IRWXU).unwrap();
    symlink("pipe", root.path().join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
    let found = kinds(root.path());
    assert!(found.iter().all(|(_, kind)| *kind == "special") && found.len() == 3, "{found:?}");
    assert!(Folder::open(root.path()).unwrap().read_first("pipe", 10).is_err());
    // Regular files that say that they are empty, and of which one blocks and the other never ends.
    for endless in ["/proc/kmsg", "/proc/self/mem"] {
        assert!(read_named(Path::new(endless), 1 << 20).map_or(true, |bytes| bytes.is_empty()), "{endless}");
    }
    assert!(read_named(Path::new("/dev/zero"), 1 << 20).is_err());
    assert_eq!(read_named(&root.path().join("pipe"), 1 << 20).unwrap(), b"", "nobody writes to it");
}

#[test]
fn a_pipe_that_somebody_writes_to_is_read_to_its_end() {
    let root = tempfile::tempdir().unwrap();
    let pipe = root.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    // Open at both ends, as a shell passes it on.
    let mut end = File::options().read(true).write(true).open(&pipe).unwrap();
    let writing = std::thread::spawn(move || {
        for _ in 0..3 {
            io::Write::write_all(&mut end, &[b'x'; 50_000]).unwrap();
            std::thread::sleep(Duration::from_millis(30));
        }
    });
    assert_eq!(read_named(&pipe, 1 << 20).unwrap().len(), 150_000);
    writing.join().unwrap();
}

#[test]
fn a_folder_below_a_mount_is_found_beneath_it() {
    let outer = tempfile::tempdir().unwrap();
    let mount = outer.path().join("mount");
    fs::create_dir_all(mount.join("a/b")).unwrap();
    fs::write(mount.join("a/b/file"), "text").unwrap();
    fs::create_dir(outer.path().join("token")).unwrap();
    symlink("../token", mount.join("out")).unwrap();
    let at = |inner: &str| PathBuf::from(format!("{}/./{inner}", mount.display()));
    assert_eq!(kinds(&at("a/b")), [("file".to_owned(), "file")]);
    for out in ["out", "../token", "a/../../token"] {
        assert!(Folder::open(&at(out)).is_err(), "{out}");
    }
    assert!(Folder::open(&mount.join("out")).is_ok(), "a link that a person names");
}

#[test]
fn the_listing_of_a_volume_is_of_the_folder_that_its_link_points_to() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("volume");
    fs::create_dir_all(root.join("..1/sub")).unwrap();
    fs::write(root.join("..1/a"), "1").unwrap();
    fs::write(root.join("..1/sub/b"), "1").unwrap();
    symlink("..1", root.join("..data")).unwrap();
    symlink("..data/a", root.join("a")).unwrap();
    let folder = Folder::open(&root).unwrap();
    let listing = folder.list(ALL).unwrap();
    let names: Vec<_> = listing.entries.iter().filter_map(Entry::name).collect();
    assert_eq!(names, ["a", "sub", "sub/b"]);
    assert!(listing.is_volume() && !folder.was_switched(&listing).unwrap());
    // The link itself may be somebody's who wants to read more.
    fs::write(outer.path().join("token"), "secret").unwrap();
    fs::remove_file(root.join("..data")).unwrap();
    symlink("..", root.join("..data")).unwrap();
    assert!(folder.was_switched(&listing).unwrap());
    assert!(folder.list(ALL).is_err());
}

#[test]
fn a_file_that_changes_is_not_read_as_it_was_listed() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("a"), "1234").unwrap();
    let folder = Folder::open(root.path()).unwrap();
    let listing = folder.list(ALL).unwrap();
    fs::write(root.path().join("a"), "12345678").unwrap();
    let entry = &listing.entries[0];
    let Kind::File(stamp) = &entry.kind else { panic!("{:?}", entry.kind) };
    assert_eq!(folder.read(&listing, entry, stamp).unwrap_err().kind(), ErrorKind::ResourceBusy);
    assert_ne!(listing.digest(), folder.list(ALL).unwrap().digest());
    let (file, len) = folder.open_listed(&listing, entry).unwrap();
    assert_eq!((file.metadata().unwrap().len(), len), (8, 8));
}
