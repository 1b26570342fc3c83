"""flagbit"""
