DROP TABLE package_software;
