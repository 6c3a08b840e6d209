#![no_main]
dialtone_fuzz::program!("sip_answer");
