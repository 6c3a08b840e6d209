//! The main job on a real node: `helm install`, `kubectl apply`, phones that boot over real UDP, and all that can fail
//! meanwhile. One story, told in order, because each part stands on the one before.
#![allow(clippy::unwrap_used)] // A test that cannot go on should stop.

mod booting;
mod conflicts;
mod failures;
mod scale;
mod sources;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod upgrade;

#[test]
fn a_site_from_helm_install_to_its_end() {
    support::explain_panics();
    booting::install();
    booting::three_phones_boot_and_get_what_render_says();
    booting::an_edit_is_served_at_once_and_costs_little();
    booting::a_secret_is_rotated();
    conflicts::conflicts_disturb_nobody();
    conflicts::firmware_is_staged_before_phones_are_told();
    sources::firmware_comes_from_volumes_images_and_the_web();
    upgrade::a_building_upgrades_by_itself();
    scale::many_phones_come_and_go();
    scale::nothing_is_written_when_nothing_changes();
    failures::phones_boot_whatever_is_down();
    failures::a_suspended_site_stays_as_it_is();
    failures::what_others_do_to_our_objects_is_mended();
    failures::one_object_that_cannot_be_read_stops_nobody();
    failures::the_classic_port_mode_serves_too();
    failures::a_site_goes_and_leaves_nothing();
}
