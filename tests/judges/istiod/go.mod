module meshca.test/istiod

go 1.24
