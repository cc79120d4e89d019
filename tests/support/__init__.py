"""What tests of several folders share: hashes of content, forms of deliveries, commands in processes of their own."""
