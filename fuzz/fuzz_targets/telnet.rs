#![no_main]
dialtone_fuzz::program!("telnet");
