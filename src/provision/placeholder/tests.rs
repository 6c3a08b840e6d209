//! What is a placeholder, and what is none.

use super::*;

fn judged<'a>(texts: &'a str, purposes: &[Use], verdict: bool) -> Vec<(&'a str, Use)> {
    let all = texts.split(" ¦ ").flat_map(|text| purposes.iter().map(move |purpose| (text, *purpose)));
    all.filter(|(text, purpose)| is_placeholder(text, *purpose) == verdict).collect()
}

fn seen(texts: &str, purposes: &[Use]) {
    assert_eq!(judged(texts, purposes, false), [], "these are placeholders");
}

fn passed(texts: &str, purposes: &[Use]) {
    assert_eq!(judged(texts, purposes, true), [], "these are none");
}

const ALL: [Use; 4] = [Use::Host, Use::Url, Use::Name, Use::Display];

#[test]
fn what_engines_should_have_replaced_is_seen_everywhere() {
    seen(
        "{{ sip_proxy }} ¦ {{server_ip}} ¦ {$SERVER} ¦ ${PBX} ¦ {{ sip[0].server_port }} ¦ {% if x %} ¦ \
         __NTP__ ¦ @@HOST@@ ¦ ##HTTP_SERVER## ¦ ###HTTP_SERVER### ¦ %SERVER% ¦ %DEVICE_IP% ¦ %%EXT%% ¦ \
         [[EXT]] ¦ <?= $ip ?> ¦ <%= ext %> ¦ $(EXT) ¦ <ip> ¦ <IP> ¦ <SERVER_IP> ¦ <your server> ¦ \
         <your ip here> ¦ <xsl:value-of select='x/@ip'/> ¦ [YOUR IP] ¦ [EXTENSION] ¦ {SERVER} ¦ {NAME} ¦ \
         $DisplayName ¦ $id_device ¦ $EXT ¦ $ext",
        &ALL,
    );
    seen(
        "http://{{ ip }}/logo.bmp ¦ http://$server/x ¦ http://x/?mac=$mac ¦ http://%SERVER%/a ¦ \
         {username}.example.net",
        &[Use::Url, Use::Host, Use::Name],
    );
    seen("{$data[i].extension} ¦ {{ sip_lines['1']['username'] }} ¦ $vm ¦ {username} ¦ {mac}", &[Use::Name, Use::Host]);
}

#[test]
fn what_people_should_have_replaced_is_seen_where_it_is_certain() {
    seen(
        "YOUR_SERVER_IP ¦ your_server ¦ your-server ¦ YOUR.SERVER.IP ¦ yourserver ¦ pbx.yourdomain.com ¦ \
         sip.your-provider.net ¦ yourcompany.com ¦ xxx.xxx.xxx.xxx ¦ XXX.XXX.XXX.XXX ¦ x.x.x.x ¦ \
         192.168.x.x ¦ 10.0.0.xxx ¦ nnn.nnn.nnn.nnn ¦ 194.223.x.x:5060 ¦ a.b.c.d ¦ aaa.bbb.ccc.ddd ¦ \
         192.168.1.* ¦ CHANGEME ¦ CHANGEME_PROXY ¦ changeme ¦ change-me.example.net ¦ REPLACE_WITH_IP ¦ \
         REPLACEME ¦ INSERT_YOUR_IP ¦ SERVER_IP ¦ PBX_HOST ¦ WAN_ADDRESS ¦ NTP_SERVER_IP ¦ \
         TrixboxIpaddress ¦ hostname ¦ EXCHANGE HOSTNAME ¦ IP address ¦ example.domain.ext ¦ \
         pbx.domain.tld ¦ ******* ¦ XXXX ¦ \
         ENTER_IP_HERE ¦ INSERT_SERVER_NAME ¦ SET_ME ¦ ASTERISK_SERVER ¦ my_server_ip ¦ %ip% ¦ %server% ¦ #SERVER# ¦ @HOST@ ¦ \
         <PBX-IP> ¦ {ip} ¦ <ip-address> ¦ ${{ host }} ¦ {{{host}}}",
        &[Use::Host],
    );
    seen(
        "http://YOUR_SERVER_IP/logo.bmp ¦ http://x.x.x.x/a ¦ http://TrixboxIpaddress/cisco/x.php ¦ \
         http://yourserver:8080/x ¦ http://example.domain.ext/m.xml ¦ http://CHANGEME/",
        &[Use::Url],
    );
    seen(
        "CHANGEME_LINE1_AUTHNAME ¦ changeme ¦ YOUR_EXTENSION ¦ your-extension ¦ YOUR EXTENSION ¦ \
         YOUR_USER_1 ¦ XXXX ¦ 1777XXXXXXX ¦ xxxxxx ¦ ******* ¦ ???? ¦ EXTENSION ¦ AUTHNAME1 ¦ USERNAME ¦ \
         x.x.x.x",
        &[Use::Name],
    );
    seen(
        "CHANGEME ¦ CHANGEME_LABEL ¦ changeme ¦ YOUR_NAME ¦ YOUR_DISPLAY_NAME ¦ Your Name ¦ YOUR NAME HERE ¦ \
         x.x.x.x",
        &[Use::Display],
    );
    seen(
        "CHANGEME_LINE1_PASSWORD ¦ changeme ¦ YOUR_PASSWORD ¦ {{ secret1 }} ¦ ${PASSWORD} ¦ \
         {$account.password} ¦ @@SECRET@@",
        &[Use::Password],
    );
}

#[test]
fn styles_of_pages_and_of_programs_are_seen() {
    seen(
        "IP_OF_PBX ¦ ip-of-pbx ¦ ADDRESS OF SERVER ¦ name_of_server ¦ [sip server] ¦ <sip proxy> ¦ {pbx host} ¦ <asterisk> ¦ \
         &lt;proxy&gt; ¦ &lt;your proxy&gt; ¦ TODO ¦ todo ¦ TBD ¦ FIXME ¦ sip.xxx.com ¦ xxxx.example.net ¦ pbx.xxxxx.xxx ¦ \
         INSERT PROXY HERE ¦ insert-proxy-here ¦ put_server_here ¦ PROXY_HERE ¦ PROXY GOES HERE ¦ enter your server here ¦ \
         sip.mydomain.com ¦ domain.com ¦ pbx.company.net ¦ sip.provider.org ¦ your-sip ¦ yoursipserver ¦ \
         yourvoipprovider.com ¦ your-sip-server.net",
        &[Use::Host],
    );
    seen(
        "VOICEMAIL_NUMBER ¦ <voicemail> ¦ [voice mail] ¦ &lt;voicemail&gt; ¦ LINE1_NAME ¦ AUTH_USER ¦ EXT_NUMBER ¦ \
         INSERT_EXTENSION_HERE ¦ insert extension here ¦ TODO ¦ NUMBER_HERE ¦ number-of-line ¦ NAME_OF_USER ¦ authname",
        &[Use::Name],
    );
    seen(
        "INSERT NAME HERE ¦ Insert name here ¦ ENTER YOUR NAME HERE ¦ NAME HERE ¦ NAME GOES HERE ¦ DISPLAY_NAME ¦ \
         LINE1_LABEL ¦ NAME_OF_USER ¦ TODO ¦ TBD ¦ CHANGE ME ¦ Change me ¦ &lt;name&gt; ¦ <name>",
        &[Use::Display],
    );
    seen(
        "CHANGEME_PASSWORD ¦ <password> ¦ <your password> ¦ [secret] ¦ {password} ¦ &lt;password&gt; ¦ TODO ¦ TBD ¦ \
         INSERT_PASSWORD_HERE ¦ put your password here ¦ PASSWORD HERE ¦ PASSWORD_GOES_HERE",
        &[Use::Password],
    );
    seen(
        "http://IP_OF_PBX/x ¦ http://sip.xxx.com/x ¦ http://user:pw@YOUR_SERVER/x ¦ http://10.0.0.1/YOUR_LOGO.bmp ¦ \
         http://10.0.0.1/CHANGEME.bmp ¦ http://&lt;server&gt;/x ¦ http://<server>/x ¦ http://todo/x",
        &[Use::Url],
    );
}

#[test]
fn names_that_only_resemble_those_are_left_alone() {
    passed(
        "yoursip.example.net ¦ yoursip ¦ yoursips.example ¦ port-of-spain.example ¦ isle-of-man.example.net ¦ king-of-hosts.example ¦ \
         sip.company.xxx ¦ xx.example.net ¦ xxl.example.net ¦ todo.example.net ¦ tbd-labs.example ¦ domain.local ¦ \
         mydomain.local ¦ sip.domain.example ¦ provider.example ¦ mycompany.example ¦ here.example.net ¦ \
         sip.here.com ¦ hereford.example ¦ pbx-here ¦ inserts.example.net ¦ office.example.com ¦ offhost.example",
        &[Use::Host],
    );
    passed(
        "7101 ¦ voicemail ¦ Voicemail ¦ VOICEMAIL ¦ SIP_USER ¦ LINE_1 ¦ EXT_7101 ¦ line1 ¦ FRONT_DESK ¦ LAB_LINE ¦ frontdesk_line ¦ \
         sales_number1x ¦ here ¦ todo ¦ *97 ¦ [] ¦ <> ¦ {} ¦ [1] ¦ login7101 ¦ port-of-spain",
        &[Use::Name],
    );
    passed(
        "Voicemail ¦ [Voicemail] ¦ Come here ¦ Eat Here ¦ Sit Here! ¦ Type here ¦ Place Here ¦ Add & Here ¦ Phone ¦ Line 1 ¦ LINE 1 ¦ \
         Voicemail Number ¦ Head of Sales ¦ HEAD OF SALES ¦ House of Cards ¦ Isle of Man ¦ ISLE_OF_MAN ¦ Changes ¦ \
         Change Me Not ¦ FRONT_DESK ¦ Todo List ¦ tbd ¦ A&B ¦ Gift Here Shop ¦ WE ARE HERE",
        &[Use::Display],
    );
    passed(
        "p4ssword ¦ TODO7 ¦ <xyz> ¦ [a] ¦ {s3cret-horse} ¦ here ¦ correct-horse-here ¦ &lt; ¦ a&lt;b ¦ IP_OF_PBX",
        &[Use::Password],
    );
    passed(
        "http://10.0.0.1/your_logo.bmp ¦ http://10.0.0.1/a/CHANGES.txt ¦ http://user:pw@10.0.0.1/x ¦ http://pbx/x?y=TODO ¦ \
         http://pbx/&amp;x",
        &[Use::Url],
    );
}

#[test]
fn good_values_are_left_alone() {
    passed(
        "#1 in #2 ¦ a@b@c ¦ Set Me Up ¦ XX-Lab ¦ 100% ¦ 50% off 20% ¦ Your Pizza ¦ YOUR PIZZA ¦ Change Me Cafe ¦ $mart ¦ Ca$h ¦ A$AP ¦ $5 ¦ \
         100$ ¦ {x} ¦ a_b ¦ <3 ¦ <Desk> ¦ [Lab] ¦ {Sales} ¦ #1 ¦ C# ¦ A & B ¦ Todo ¦ XXX ¦ x ¦ XX ¦ Xavier ¦ \
         Reception ¦ Name ¦ Server Room ¦ IP Phone ¦ User 7 ¦ Host ¦ Enter here ¦ Put me through ¦ \
         The Change ¦ *** ¦ ... ¦ Büro ¦ a__b ¦ 50%ABV ¦ =^_^= ¦ R&D_LAB ¦ Domain Desk ¦ Edit Suite ¦ \
         Extension 12 ¦ Ihr Name ¦ New_York ¦ LAB_2 ¦ SERVER ROOM",
        &[Use::Display],
    );
    passed(
        "change-server.example.net ¦ set-top.example ¦ ip.example.net ¦ 10.0.0.1 ¦ 0.0.0.0 ¦ 255.255.255.255 ¦ 1.2.3.4 ¦ sip.example.net ¦ sip.example.com ¦ pbx ¦ PBX ¦ \
         PBX1 ¦ yourtown.gov.uk ¦ yourpizza.com ¦ younger.example ¦ server ¦ server1 ¦ host ¦ proxy ¦ \
         USECALLMANAGER ¦ x.example.net ¦ xx.yy.zz.net ¦ n.n.net ¦ SIP_SRV ¦ pbx_main ¦ PBX_MAIN ¦ my-pbx ¦ \
         time.nist.gov ¦ a.b.c.example ¦ changes.example.net ¦ replacement-pbx.net ¦ 10.0.0.1:5060 ¦ \
         ns1.example.org ¦ todo.example.net ¦ xxl.example.net ¦ us-east.example.net ¦ localhost",
        &[Use::Host],
    );
    passed(
        "http://10.0.0.1/a%C3%A4b.bmp ¦ http://x/%20a%20b ¦ http://x/%E4bc%20 ¦ \
         http://www.example.net/?a=1&b=[2] ¦ http://pbx/~you/x ¦ http://x/a__b ¦ http://h/%DE%AD%BE ¦ \
         http://h/#NAME",
        &[Use::Url],
    );
    passed(
        "7101 ¦ *97 ¦ * ¦ ** ¦ john.doe ¦ your ¦ yours ¦ youri ¦ your.mother ¦ x1 ¦ xx ¦ x-ray ¦ XAVIER ¦ \
         100XX ¦ a_b ¦ us$r ¦ extension ¦ secretary ¦ PASSWORDS-DESK ¦ user7101 ¦ ext7101 ¦ +441632960000 ¦ \
         dialplan ¦ P0S3-8-12-00 ¦ sip:7101@10.0.0.1 ¦ x-cisco-serviceuri-cfwdall ¦ name ¦ SECRETARY ¦ \
         TODOS ¦ change",
        &[Use::Name],
    );
    passed(
        "xxxxxxxx ¦ **** ¦ P@ss%word%1 ¦ $ecret ¦ <x> ¦ a{b}c ¦ %A% ¦ __x__ ¦ correct-horse ¦ \
         Your Password ¦ yourpassword ¦ password ¦ x.x.x.x ¦ #$%&{} ¦ {} ¦ ${} ¦ [YOUR] ¦ $HOME ¦ {{}} ¦ \
         Change it!",
        &[Use::Password],
    );
    for nothing in ["", " ", "UNPROVISIONED"] {
        passed(nothing, &[Use::Host, Use::Url, Use::Name, Use::Display, Use::Password]);
    }
}

#[test]
fn any_text_is_judged_in_little_time() {
    let began = std::time::Instant::now();
    for text in [
        "{{".repeat(5_000),
        "$".repeat(20_000),
        "%A".repeat(10_000),
        "<".repeat(20_000),
        "__".repeat(10_000),
        ".x".repeat(10_000),
    ] {
        judged(&text, &ALL, true);
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}
