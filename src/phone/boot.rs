//! The files that control the boot: `OS79XX.TXT` and the XML that loaders from 7.0 on read.

use super::Model;
pub use super::file_name::{OS79XX, SIP_DEFAULT, XML_DEFAULT};

/// `OS79XX.TXT`: the bootstrap image's name and nothing else.
///
/// A trailing blank makes old firmware ask for a file with a blank in its name (Cisco bug CSCdv19260).
pub fn os79xx(bootstrap: &str) -> Vec<u8> {
    format!("{bootstrap}\n").into_bytes()
}

/// The load information for one phone: `SEP<MAC>.cnf.xml`.
///
/// An empty file would make the phone say "Protocol Application Invalid", so there is always an element in it.
pub fn sep_xml(model: Model, image: &str) -> Vec<u8> {
    format!("<device>\n<loadInformation model=\"IP Phone {model}\">{image}</loadInformation>\n</device>\n").into_bytes()
}

/// The load information for all phones: `XMLDefault.cnf.xml`.
pub fn xml_default(image: &str) -> Vec<u8> {
    let element = |model: Model| {
        let number = model.load_number();
        format!("<loadInformation{number} model=\"IP Phone {model}\">{image}</loadInformation{number}>\n")
    };
    let elements: String = Model::ALL.into_iter().map(element).collect();
    format!("<Default>\n{elements}</Default>\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os79xx_has_the_name_and_nothing_else() {
        assert_eq!(os79xx("P0S30202"), b"P0S30202\n");
    }

    #[test]
    fn xml_names_the_image_for_both_models() {
        let xml = String::from_utf8(xml_default("P0S3-8-12-00")).unwrap();
        assert_eq!(
            xml,
            "<Default>\n<loadInformation8 model=\"IP Phone 7940\">P0S3-8-12-00</loadInformation8>\n\
             <loadInformation7 model=\"IP Phone 7960\">P0S3-8-12-00</loadInformation7>\n</Default>\n"
        );
    }
}
